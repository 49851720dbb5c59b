from google.protobuf import duration_pb2 as _duration_pb2
from realtime.v1 import status_pb2 as _status_pb2
from realtime.v1 import target_pb2 as _target_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AckAnswer(_message.Message):
    __slots__ = ["arguments", "attachments", "socket_id"]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    ATTACHMENTS_FIELD_NUMBER: _ClassVar[int]
    SOCKET_ID_FIELD_NUMBER: _ClassVar[int]
    arguments: str
    attachments: _containers.RepeatedScalarFieldContainer[bytes]
    socket_id: str
    def __init__(self, socket_id: _Optional[str] = ..., arguments: _Optional[str] = ..., attachments: _Optional[_Iterable[bytes]] = ...) -> None: ...

class AckSummary(_message.Message):
    __slots__ = ["answered", "disconnected", "matched", "oversized", "timed_out"]
    ANSWERED_FIELD_NUMBER: _ClassVar[int]
    DISCONNECTED_FIELD_NUMBER: _ClassVar[int]
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    OVERSIZED_FIELD_NUMBER: _ClassVar[int]
    TIMED_OUT_FIELD_NUMBER: _ClassVar[int]
    answered: int
    disconnected: int
    matched: int
    oversized: int
    timed_out: int
    def __init__(self, matched: _Optional[int] = ..., answered: _Optional[int] = ..., timed_out: _Optional[int] = ..., disconnected: _Optional[int] = ..., oversized: _Optional[int] = ...) -> None: ...

class EmitRequest(_message.Message):
    __slots__ = ["arguments", "attachments", "event", "idempotency_key", "local", "target", "uncompressed", "volatile"]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    ATTACHMENTS_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    LOCAL_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    UNCOMPRESSED_FIELD_NUMBER: _ClassVar[int]
    VOLATILE_FIELD_NUMBER: _ClassVar[int]
    arguments: str
    attachments: _containers.RepeatedScalarFieldContainer[bytes]
    event: str
    idempotency_key: str
    local: bool
    target: _target_pb2.Target
    uncompressed: bool
    volatile: bool
    def __init__(self, target: _Optional[_Union[_target_pb2.Target, _Mapping]] = ..., event: _Optional[str] = ..., arguments: _Optional[str] = ..., attachments: _Optional[_Iterable[bytes]] = ..., volatile: bool = ..., uncompressed: bool = ..., local: bool = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class EmitResponse(_message.Message):
    __slots__ = ["delivered", "matched", "replayed"]
    DELIVERED_FIELD_NUMBER: _ClassVar[int]
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    delivered: int
    matched: int
    replayed: bool
    def __init__(self, matched: _Optional[int] = ..., delivered: _Optional[int] = ..., replayed: bool = ...) -> None: ...

class EmitStreamRequest(_message.Message):
    __slots__ = ["emit", "id"]
    EMIT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    emit: EmitRequest
    id: int
    def __init__(self, id: _Optional[int] = ..., emit: _Optional[_Union[EmitRequest, _Mapping]] = ...) -> None: ...

class EmitStreamResponse(_message.Message):
    __slots__ = ["emitted", "error", "id"]
    EMITTED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    emitted: EmitResponse
    error: _status_pb2.Status
    id: int
    def __init__(self, id: _Optional[int] = ..., emitted: _Optional[_Union[EmitResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class EmitWithAckRequest(_message.Message):
    __slots__ = ["arguments", "attachments", "event", "local", "target", "timeout", "uncompressed"]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    ATTACHMENTS_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    LOCAL_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    UNCOMPRESSED_FIELD_NUMBER: _ClassVar[int]
    arguments: str
    attachments: _containers.RepeatedScalarFieldContainer[bytes]
    event: str
    local: bool
    target: _target_pb2.Target
    timeout: _duration_pb2.Duration
    uncompressed: bool
    def __init__(self, target: _Optional[_Union[_target_pb2.Target, _Mapping]] = ..., event: _Optional[str] = ..., arguments: _Optional[str] = ..., attachments: _Optional[_Iterable[bytes]] = ..., timeout: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., uncompressed: bool = ..., local: bool = ...) -> None: ...

class EmitWithAckResponse(_message.Message):
    __slots__ = ["answer", "summary"]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    answer: AckAnswer
    summary: AckSummary
    def __init__(self, answer: _Optional[_Union[AckAnswer, _Mapping]] = ..., summary: _Optional[_Union[AckSummary, _Mapping]] = ...) -> None: ...
