"""UBI queries and events, slates, shopper profiles and the pointer of an alias."""
