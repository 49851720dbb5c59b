from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class DrainRequest(_message.Message):
    __slots__ = ["sessions_per_second"]
    SESSIONS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    sessions_per_second: int
    def __init__(self, sessions_per_second: _Optional[int] = ...) -> None: ...

class DrainResponse(_message.Message):
    __slots__ = ["sessions"]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    sessions: int
    def __init__(self, sessions: _Optional[int] = ...) -> None: ...
