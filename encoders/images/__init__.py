"""Image bytes from files, URLs and data URIs."""
