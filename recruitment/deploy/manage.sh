#!/bin/sh
# Runs manage.py with the settings of the services, as the user that they run as. Installed as
# /usr/local/sbin/recruitment, for root:
#   recruitment COMMAND …          as the role that owns the tables
#   recruitment @GROUP COMMAND …   with the settings of the consumer of this group
set -eu
own=/etc/recruitment/owner
case ${1:-} in
@*)
    own=/etc/recruitment/consume-${1#@}.environment
    shift
    ;;
esac
set -a
. /etc/recruitment/environment
. "$own"
set +a
cd /opt/recruitment
exec setpriv --reuid=recruitment --regid=recruitment --init-groups \
    .venv/bin/python manage.py "$@"
