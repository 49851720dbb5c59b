from google.protobuf import timestamp_pb2 as _timestamp_pb2
from realtime.v1 import socket_pb2 as _socket_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AdmitAccept(_message.Message):
    __slots__ = ["data", "rooms", "user"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    data: str
    rooms: _containers.RepeatedScalarFieldContainer[str]
    user: str
    def __init__(self, user: _Optional[str] = ..., rooms: _Optional[_Iterable[str]] = ..., data: _Optional[str] = ...) -> None: ...

class AdmitAnswer(_message.Message):
    __slots__ = ["accept", "question_id", "refuse"]
    ACCEPT_FIELD_NUMBER: _ClassVar[int]
    QUESTION_ID_FIELD_NUMBER: _ClassVar[int]
    REFUSE_FIELD_NUMBER: _ClassVar[int]
    accept: AdmitAccept
    question_id: int
    refuse: AdmitRefuse
    def __init__(self, question_id: _Optional[int] = ..., accept: _Optional[_Union[AdmitAccept, _Mapping]] = ..., refuse: _Optional[_Union[AdmitRefuse, _Mapping]] = ...) -> None: ...

class AdmitAttach(_message.Message):
    __slots__ = ["handshakes", "namespaces"]
    HANDSHAKES_FIELD_NUMBER: _ClassVar[int]
    NAMESPACES_FIELD_NUMBER: _ClassVar[int]
    handshakes: bool
    namespaces: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, namespaces: _Optional[_Iterable[str]] = ..., handshakes: bool = ...) -> None: ...

class AdmitAttached(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class AdmitHandshake(_message.Message):
    __slots__ = ["handshake", "transport"]
    HANDSHAKE_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    handshake: _socket_pb2.Handshake
    transport: str
    def __init__(self, handshake: _Optional[_Union[_socket_pb2.Handshake, _Mapping]] = ..., transport: _Optional[str] = ...) -> None: ...

class AdmitQuestion(_message.Message):
    __slots__ = ["deadline", "handshake", "id", "socket"]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    HANDSHAKE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    SOCKET_FIELD_NUMBER: _ClassVar[int]
    deadline: _timestamp_pb2.Timestamp
    handshake: AdmitHandshake
    id: int
    socket: AdmitSocket
    def __init__(self, id: _Optional[int] = ..., deadline: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., socket: _Optional[_Union[AdmitSocket, _Mapping]] = ..., handshake: _Optional[_Union[AdmitHandshake, _Mapping]] = ...) -> None: ...

class AdmitRefuse(_message.Message):
    __slots__ = ["data", "message"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    data: str
    message: str
    def __init__(self, message: _Optional[str] = ..., data: _Optional[str] = ...) -> None: ...

class AdmitRejected(_message.Message):
    __slots__ = ["question_id", "violations"]
    QUESTION_ID_FIELD_NUMBER: _ClassVar[int]
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    question_id: int
    violations: _containers.RepeatedCompositeFieldContainer[AdmitViolation]
    def __init__(self, question_id: _Optional[int] = ..., violations: _Optional[_Iterable[_Union[AdmitViolation, _Mapping]]] = ...) -> None: ...

class AdmitRequest(_message.Message):
    __slots__ = ["answer", "attach"]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    ATTACH_FIELD_NUMBER: _ClassVar[int]
    answer: AdmitAnswer
    attach: AdmitAttach
    def __init__(self, attach: _Optional[_Union[AdmitAttach, _Mapping]] = ..., answer: _Optional[_Union[AdmitAnswer, _Mapping]] = ...) -> None: ...

class AdmitResponse(_message.Message):
    __slots__ = ["attached", "question", "rejected"]
    ATTACHED_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    attached: AdmitAttached
    question: AdmitQuestion
    rejected: AdmitRejected
    def __init__(self, attached: _Optional[_Union[AdmitAttached, _Mapping]] = ..., question: _Optional[_Union[AdmitQuestion, _Mapping]] = ..., rejected: _Optional[_Union[AdmitRejected, _Mapping]] = ...) -> None: ...

class AdmitSocket(_message.Message):
    __slots__ = ["auth", "handshake", "namespace", "socket_id"]
    AUTH_FIELD_NUMBER: _ClassVar[int]
    HANDSHAKE_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SOCKET_ID_FIELD_NUMBER: _ClassVar[int]
    auth: str
    handshake: _socket_pb2.Handshake
    namespace: str
    socket_id: str
    def __init__(self, namespace: _Optional[str] = ..., socket_id: _Optional[str] = ..., handshake: _Optional[_Union[_socket_pb2.Handshake, _Mapping]] = ..., auth: _Optional[str] = ...) -> None: ...

class AdmitViolation(_message.Message):
    __slots__ = ["description", "field"]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    description: str
    field: str
    def __init__(self, field: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...
