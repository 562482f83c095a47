"""Django's PostgreSQL backend, for servers that freeze and poolers that stand in between."""
