"""The exit statuses documented in --help."""

REFUSED = 1
USAGE = 2
UNAVAILABLE = 3
FAILED = 4
INTERRUPTED = 130
PIPE_CLOSED = 141  # as a program that SIGPIPE ends
