#!/bin/sh
# Makes the role of the web server. The database's image runs it once, when it makes the database;
# `manage.py grants recruitment_web --apply` gives the role its rights.
set -eu
psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
    --set=password="$WEB_DATABASE_PASSWORD" <<'SQL'
CREATE ROLE recruitment_web LOGIN PASSWORD :'password';
SQL
