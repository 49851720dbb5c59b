from google.protobuf import timestamp_pb2 as _timestamp_pb2
from realtime.v1 import socket_pb2 as _socket_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
DISCONNECT_REASON_CLIENT_DISCONNECT: DisconnectReason
DISCONNECT_REASON_FORCED_CLOSE: DisconnectReason
DISCONNECT_REASON_FORCED_SERVER_CLOSE: DisconnectReason
DISCONNECT_REASON_PARSE_ERROR: DisconnectReason
DISCONNECT_REASON_PING_TIMEOUT: DisconnectReason
DISCONNECT_REASON_SERVER_DISCONNECT: DisconnectReason
DISCONNECT_REASON_SHUTTING_DOWN: DisconnectReason
DISCONNECT_REASON_TRANSPORT_CLOSE: DisconnectReason
DISCONNECT_REASON_TRANSPORT_ERROR: DisconnectReason
DISCONNECT_REASON_UNSPECIFIED: DisconnectReason

class Connected(_message.Message):
    __slots__ = ["auth", "recovered", "socket"]
    AUTH_FIELD_NUMBER: _ClassVar[int]
    RECOVERED_FIELD_NUMBER: _ClassVar[int]
    SOCKET_FIELD_NUMBER: _ClassVar[int]
    auth: str
    recovered: bool
    socket: _socket_pb2.Socket
    def __init__(self, socket: _Optional[_Union[_socket_pb2.Socket, _Mapping]] = ..., auth: _Optional[str] = ..., recovered: bool = ...) -> None: ...

class Disconnected(_message.Message):
    __slots__ = ["description", "reason", "recoverable", "rooms"]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RECOVERABLE_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    description: str
    reason: DisconnectReason
    recoverable: bool
    rooms: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, reason: _Optional[_Union[DisconnectReason, str]] = ..., description: _Optional[str] = ..., rooms: _Optional[_Iterable[str]] = ..., recoverable: bool = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ["connected", "disconnected", "expired", "joined", "left", "namespace", "received", "room_created", "room_deleted", "socket_id", "time", "traceparent", "user"]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    DISCONNECTED_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    ROOM_CREATED_FIELD_NUMBER: _ClassVar[int]
    ROOM_DELETED_FIELD_NUMBER: _ClassVar[int]
    SOCKET_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    connected: Connected
    disconnected: Disconnected
    expired: Expired
    joined: Joined
    left: Left
    namespace: str
    received: Received
    room_created: RoomCreated
    room_deleted: RoomDeleted
    socket_id: str
    time: _timestamp_pb2.Timestamp
    traceparent: str
    user: str
    def __init__(self, time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., namespace: _Optional[str] = ..., socket_id: _Optional[str] = ..., user: _Optional[str] = ..., connected: _Optional[_Union[Connected, _Mapping]] = ..., received: _Optional[_Union[Received, _Mapping]] = ..., disconnected: _Optional[_Union[Disconnected, _Mapping]] = ..., expired: _Optional[_Union[Expired, _Mapping]] = ..., joined: _Optional[_Union[Joined, _Mapping]] = ..., left: _Optional[_Union[Left, _Mapping]] = ..., room_created: _Optional[_Union[RoomCreated, _Mapping]] = ..., room_deleted: _Optional[_Union[RoomDeleted, _Mapping]] = ..., traceparent: _Optional[str] = ...) -> None: ...

class Expired(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class Joined(_message.Message):
    __slots__ = ["room"]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    room: str
    def __init__(self, room: _Optional[str] = ...) -> None: ...

class Left(_message.Message):
    __slots__ = ["room"]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    room: str
    def __init__(self, room: _Optional[str] = ...) -> None: ...

class Received(_message.Message):
    __slots__ = ["ack_token", "arguments", "attachments", "name", "name_is_number"]
    ACK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    ATTACHMENTS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NAME_IS_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ack_token: str
    arguments: str
    attachments: _containers.RepeatedScalarFieldContainer[bytes]
    name: str
    name_is_number: bool
    def __init__(self, name: _Optional[str] = ..., name_is_number: bool = ..., arguments: _Optional[str] = ..., attachments: _Optional[_Iterable[bytes]] = ..., ack_token: _Optional[str] = ...) -> None: ...

class RoomCreated(_message.Message):
    __slots__ = ["room"]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    room: str
    def __init__(self, room: _Optional[str] = ...) -> None: ...

class RoomDeleted(_message.Message):
    __slots__ = ["room"]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    room: str
    def __init__(self, room: _Optional[str] = ...) -> None: ...

class DisconnectReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
