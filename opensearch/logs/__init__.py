"""UBI queries and events, the slate log, shopper profiles, and the artifact pointer of each alias."""
