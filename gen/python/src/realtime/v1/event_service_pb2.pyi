from google.protobuf import duration_pb2 as _duration_pb2
from realtime.v1 import event_pb2 as _event_pb2
from realtime.v1 import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
EVENT_KIND_CONNECTED: EventKind
EVENT_KIND_DISCONNECTED: EventKind
EVENT_KIND_EXPIRED: EventKind
EVENT_KIND_JOINED: EventKind
EVENT_KIND_LEFT: EventKind
EVENT_KIND_RECEIVED: EventKind
EVENT_KIND_ROOM_CREATED: EventKind
EVENT_KIND_ROOM_DELETED: EventKind
EVENT_KIND_UNSPECIFIED: EventKind

class ConsumeBatch(_message.Message):
    __slots__ = ["deliveries"]
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    deliveries: _containers.RepeatedCompositeFieldContainer[ConsumeDelivery]
    def __init__(self, deliveries: _Optional[_Iterable[_Union[ConsumeDelivery, _Mapping]]] = ...) -> None: ...

class ConsumeCredit(_message.Message):
    __slots__ = ["max_bytes", "max_events"]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_EVENTS_FIELD_NUMBER: _ClassVar[int]
    max_bytes: int
    max_events: int
    def __init__(self, max_events: _Optional[int] = ..., max_bytes: _Optional[int] = ...) -> None: ...

class ConsumeDelivery(_message.Message):
    __slots__ = ["attempt", "event", "id"]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    event: _event_pb2.Event
    id: int
    def __init__(self, id: _Optional[int] = ..., attempt: _Optional[int] = ..., event: _Optional[_Union[_event_pb2.Event, _Mapping]] = ...) -> None: ...

class ConsumeLeave(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ConsumeNack(_message.Message):
    __slots__ = ["delay", "delivery_id", "release"]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_ID_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    delay: _duration_pb2.Duration
    delivery_id: int
    release: bool
    def __init__(self, delivery_id: _Optional[int] = ..., delay: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., release: bool = ...) -> None: ...

class ConsumeOpen(_message.Message):
    __slots__ = ["ack_timeout", "event_names", "event_prefixes", "group", "kinds", "max_bytes", "max_events", "namespaces"]
    ACK_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    EVENT_NAMES_FIELD_NUMBER: _ClassVar[int]
    EVENT_PREFIXES_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_EVENTS_FIELD_NUMBER: _ClassVar[int]
    NAMESPACES_FIELD_NUMBER: _ClassVar[int]
    ack_timeout: _duration_pb2.Duration
    event_names: _containers.RepeatedScalarFieldContainer[str]
    event_prefixes: _containers.RepeatedScalarFieldContainer[str]
    group: str
    kinds: _containers.RepeatedScalarFieldContainer[EventKind]
    max_bytes: int
    max_events: int
    namespaces: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, group: _Optional[str] = ..., namespaces: _Optional[_Iterable[str]] = ..., kinds: _Optional[_Iterable[_Union[EventKind, str]]] = ..., event_names: _Optional[_Iterable[str]] = ..., event_prefixes: _Optional[_Iterable[str]] = ..., max_events: _Optional[int] = ..., max_bytes: _Optional[int] = ..., ack_timeout: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ConsumeOpened(_message.Message):
    __slots__ = ["backlog", "created", "members"]
    BACKLOG_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    backlog: int
    created: bool
    members: int
    def __init__(self, created: bool = ..., members: _Optional[int] = ..., backlog: _Optional[int] = ...) -> None: ...

class ConsumeReply(_message.Message):
    __slots__ = ["ack_token", "arguments", "attachments"]
    ACK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    ATTACHMENTS_FIELD_NUMBER: _ClassVar[int]
    ack_token: str
    arguments: str
    attachments: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, ack_token: _Optional[str] = ..., arguments: _Optional[str] = ..., attachments: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ConsumeReplyFailed(_message.Message):
    __slots__ = ["ack_token", "error"]
    ACK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ack_token: str
    error: _status_pb2.Status
    def __init__(self, ack_token: _Optional[str] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class ConsumeRequest(_message.Message):
    __slots__ = ["credit", "leave", "open", "settle"]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    LEAVE_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    SETTLE_FIELD_NUMBER: _ClassVar[int]
    credit: ConsumeCredit
    leave: ConsumeLeave
    open: ConsumeOpen
    settle: ConsumeSettle
    def __init__(self, open: _Optional[_Union[ConsumeOpen, _Mapping]] = ..., settle: _Optional[_Union[ConsumeSettle, _Mapping]] = ..., credit: _Optional[_Union[ConsumeCredit, _Mapping]] = ..., leave: _Optional[_Union[ConsumeLeave, _Mapping]] = ...) -> None: ...

class ConsumeResponse(_message.Message):
    __slots__ = ["batch", "opened", "reply_failed"]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    OPENED_FIELD_NUMBER: _ClassVar[int]
    REPLY_FAILED_FIELD_NUMBER: _ClassVar[int]
    batch: ConsumeBatch
    opened: ConsumeOpened
    reply_failed: ConsumeReplyFailed
    def __init__(self, opened: _Optional[_Union[ConsumeOpened, _Mapping]] = ..., batch: _Optional[_Union[ConsumeBatch, _Mapping]] = ..., reply_failed: _Optional[_Union[ConsumeReplyFailed, _Mapping]] = ...) -> None: ...

class ConsumeSettle(_message.Message):
    __slots__ = ["acks", "nacks", "replies"]
    ACKS_FIELD_NUMBER: _ClassVar[int]
    NACKS_FIELD_NUMBER: _ClassVar[int]
    REPLIES_FIELD_NUMBER: _ClassVar[int]
    acks: _containers.RepeatedScalarFieldContainer[int]
    nacks: _containers.RepeatedCompositeFieldContainer[ConsumeNack]
    replies: _containers.RepeatedCompositeFieldContainer[ConsumeReply]
    def __init__(self, acks: _Optional[_Iterable[int]] = ..., nacks: _Optional[_Iterable[_Union[ConsumeNack, _Mapping]]] = ..., replies: _Optional[_Iterable[_Union[ConsumeReply, _Mapping]]] = ...) -> None: ...

class ReplyRequest(_message.Message):
    __slots__ = ["ack_token", "arguments", "attachments"]
    ACK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    ATTACHMENTS_FIELD_NUMBER: _ClassVar[int]
    ack_token: str
    arguments: str
    attachments: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, ack_token: _Optional[str] = ..., arguments: _Optional[str] = ..., attachments: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ReplyResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class WatchBatch(_message.Message):
    __slots__ = ["events", "missed"]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.Event]
    missed: int
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.Event, _Mapping]]] = ..., missed: _Optional[int] = ...) -> None: ...

class WatchOpened(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ["event_names", "kinds", "namespaces"]
    EVENT_NAMES_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    NAMESPACES_FIELD_NUMBER: _ClassVar[int]
    event_names: _containers.RepeatedScalarFieldContainer[str]
    kinds: _containers.RepeatedScalarFieldContainer[EventKind]
    namespaces: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, namespaces: _Optional[_Iterable[str]] = ..., kinds: _Optional[_Iterable[_Union[EventKind, str]]] = ..., event_names: _Optional[_Iterable[str]] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ["batch", "opened"]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    OPENED_FIELD_NUMBER: _ClassVar[int]
    batch: WatchBatch
    opened: WatchOpened
    def __init__(self, opened: _Optional[_Union[WatchOpened, _Mapping]] = ..., batch: _Optional[_Union[WatchBatch, _Mapping]] = ...) -> None: ...

class EventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
