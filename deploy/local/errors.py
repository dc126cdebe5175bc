"""What the local stack says when it cannot go on."""


class StackError(Exception):
    """A reason that a person can act on; its text is shown as it is."""


class PortTaken(StackError):
    """A port of ours is held by a process that is not ours."""


class NotStarted(StackError):
    """A process died, or was not healthy in time."""
