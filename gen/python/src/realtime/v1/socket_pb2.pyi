from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Handshake(_message.Message):
    __slots__ = ["address", "headers", "issued_at", "query", "secure", "url", "xdomain"]
    class HeadersEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class QueryEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    ISSUED_AT_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    SECURE_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    XDOMAIN_FIELD_NUMBER: _ClassVar[int]
    address: str
    headers: _containers.ScalarMap[str, str]
    issued_at: _timestamp_pb2.Timestamp
    query: _containers.ScalarMap[str, str]
    secure: bool
    url: str
    xdomain: bool
    def __init__(self, address: _Optional[str] = ..., url: _Optional[str] = ..., headers: _Optional[_Mapping[str, str]] = ..., secure: bool = ..., xdomain: bool = ..., issued_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., query: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Socket(_message.Message):
    __slots__ = ["auth", "connected_at", "data", "handshake", "id", "namespace", "rooms", "transport", "user"]
    AUTH_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_AT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    HANDSHAKE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    auth: str
    connected_at: _timestamp_pb2.Timestamp
    data: str
    handshake: Handshake
    id: str
    namespace: str
    rooms: _containers.RepeatedScalarFieldContainer[str]
    transport: str
    user: str
    def __init__(self, id: _Optional[str] = ..., namespace: _Optional[str] = ..., user: _Optional[str] = ..., rooms: _Optional[_Iterable[str]] = ..., data: _Optional[str] = ..., transport: _Optional[str] = ..., connected_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., handshake: _Optional[_Union[Handshake, _Mapping]] = ..., auth: _Optional[str] = ...) -> None: ...
