from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class Target(_message.Message):
    __slots__ = ["except_rooms", "except_sockets", "namespace", "rooms", "sockets", "users"]
    EXCEPT_ROOMS_FIELD_NUMBER: _ClassVar[int]
    EXCEPT_SOCKETS_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    SOCKETS_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    except_rooms: _containers.RepeatedScalarFieldContainer[str]
    except_sockets: _containers.RepeatedScalarFieldContainer[str]
    namespace: str
    rooms: _containers.RepeatedScalarFieldContainer[str]
    sockets: _containers.RepeatedScalarFieldContainer[str]
    users: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, namespace: _Optional[str] = ..., rooms: _Optional[_Iterable[str]] = ..., sockets: _Optional[_Iterable[str]] = ..., users: _Optional[_Iterable[str]] = ..., except_rooms: _Optional[_Iterable[str]] = ..., except_sockets: _Optional[_Iterable[str]] = ...) -> None: ...
