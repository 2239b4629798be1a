"""The API server and its endpoints; each request goes through ``server``."""
