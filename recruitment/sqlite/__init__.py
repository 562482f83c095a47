"""Django's SQLite backend, for connections that are kept from one request to the next."""
