from realtime.v1 import socket_pb2 as _socket_pb2
from realtime.v1 import target_pb2 as _target_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CountSocketsRequest(_message.Message):
    __slots__ = ["target"]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    target: _target_pb2.Target
    def __init__(self, target: _Optional[_Union[_target_pb2.Target, _Mapping]] = ...) -> None: ...

class CountSocketsResponse(_message.Message):
    __slots__ = ["count"]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    count: int
    def __init__(self, count: _Optional[int] = ...) -> None: ...

class DisconnectSocketsRequest(_message.Message):
    __slots__ = ["close_connection", "target"]
    CLOSE_CONNECTION_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    close_connection: bool
    target: _target_pb2.Target
    def __init__(self, target: _Optional[_Union[_target_pb2.Target, _Mapping]] = ..., close_connection: bool = ...) -> None: ...

class DisconnectSocketsResponse(_message.Message):
    __slots__ = ["matched"]
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    matched: int
    def __init__(self, matched: _Optional[int] = ...) -> None: ...

class GetSocketRequest(_message.Message):
    __slots__ = ["namespace", "socket_id"]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SOCKET_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    socket_id: str
    def __init__(self, namespace: _Optional[str] = ..., socket_id: _Optional[str] = ...) -> None: ...

class GetSocketResponse(_message.Message):
    __slots__ = ["socket"]
    SOCKET_FIELD_NUMBER: _ClassVar[int]
    socket: _socket_pb2.Socket
    def __init__(self, socket: _Optional[_Union[_socket_pb2.Socket, _Mapping]] = ...) -> None: ...

class ListSocketsRequest(_message.Message):
    __slots__ = ["target"]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    target: _target_pb2.Target
    def __init__(self, target: _Optional[_Union[_target_pb2.Target, _Mapping]] = ...) -> None: ...

class ListSocketsResponse(_message.Message):
    __slots__ = ["sockets"]
    SOCKETS_FIELD_NUMBER: _ClassVar[int]
    sockets: _containers.RepeatedCompositeFieldContainer[_socket_pb2.Socket]
    def __init__(self, sockets: _Optional[_Iterable[_Union[_socket_pb2.Socket, _Mapping]]] = ...) -> None: ...

class UpdateSocketsRequest(_message.Message):
    __slots__ = ["data", "target"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    data: str
    target: _target_pb2.Target
    def __init__(self, target: _Optional[_Union[_target_pb2.Target, _Mapping]] = ..., data: _Optional[str] = ...) -> None: ...

class UpdateSocketsResponse(_message.Message):
    __slots__ = ["matched"]
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    matched: int
    def __init__(self, matched: _Optional[int] = ...) -> None: ...
