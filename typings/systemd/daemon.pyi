from collections.abc import Iterable

def booted() -> bool: ...
def notify(
    status: str,
    unset_environment: bool = ...,
    pid: int = ...,
    fds: Iterable[int] | None = ...,
) -> bool: ...
def listen_fds(unset_environment: bool = ...) -> list[int]: ...
