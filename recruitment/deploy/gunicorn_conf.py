"""How gunicorn serves: `gunicorn --config recruitment/deploy/gunicorn_conf.py recruitment.wsgi`.

`GUNICORN_CMD_ARGS` overrides each of these, as in `GUNICORN_CMD_ARGS="--bind=0.0.0.0:8000"`.
"""

import os

bind = "127.0.0.1:8000"
# Threads wait for the database and for slow clients. Each has a connection to the database of its
# own: workers * threads of them, of which PostgreSQL allows a hundred unless told.
workers = int(os.environ.get("WEB_CONCURRENCY") or max(2, len(os.sched_getaffinity(0))))
worker_class = "gthread"
threads = 4
# Loaded once and shared by all workers; a setting that will not do is told once, in one line. An
# upgrade is a restart, for which waiting connections are kept.
preload_app = True
backlog = 1024
# A worker that has not answered the master for as long is replaced.
timeout = 60
# Longer than any command takes: what was begun is finished when a worker is told to end.
graceful_timeout = 30
# Longer than proxies keep a connection that nobody uses, so that they are the ones to close it.
keepalive = 75
# Memory that a library loses comes back, and not from all workers at the same moment.
max_requests = 10_000
max_requests_jitter = 2_000
# Heartbeats are files: on a disk that is busy they would come late.
worker_tmp_dir = "/dev/shm"  # noqa: S108
# Whose X-Forwarded-Proto is believed: the proxy's.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")
# Each request has a line of the project's own, which says more (LOG_FORMAT). Where this log is
# turned on all the same, by --access-logfile, it has no query strings: no %(r)s, %(q)s and %(f)s.
accesslog = None
access_log_format = "%(h)s %(m)s %(U)s %(H)s %(s)s %(B)s %(M)s ms"
errorlog = "-"
# Nobody steers it by a socket.
control_socket_disable = True
