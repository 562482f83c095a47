"""What an operator does after a restore."""

STEPS = """\
  manage.py migrate              brings tables and guards to this version
  manage.py after_restore        tells whoever has read the log, and says what is left to do
  manage.py follow --once        brings the read models up to the log
  manage.py verify_log --full    with --expect P:DIGEST of a run before the backup
  manage.py replay --check       compares the read models with the log

Then start the processes again. Whoever was erased since the backup is back: erase them again."""
