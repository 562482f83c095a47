"""What goes over a broker, as AsyncAPI 3.0: written from the registered events."""

import re
from typing import Any

from eventstore.infrastructure.mapper import EventMapper
from eventstore.infrastructure.messaging.message import (
    MEDIA_TYPE,
    RESTORED,
    SEQUENCE_DIGITS,
    SPEC_VERSION,
)
from eventstore.infrastructure.schemas import schema_of

_TEXT = {"type": "string"}
_ID = {"type": "string", "format": "uuid"}
_TIME = {"type": "string", "format": "date-time"}
_NULLABLE = {"type": ["string", "null"]}
_OPTIONAL = {
    "correlationid": {**_ID, "description": "Events of one batch have one."},
    "causationid": {**_ID, "description": "The command."},
}
_METADATA = {"actor": _TEXT, "on_behalf_of": _NULLABLE, "door": _TEXT}
_ATTRIBUTES = {
    "specversion": {"const": SPEC_VERSION},
    "id": {**_ID, "description": "With the source it names the event for ever."},
    "source": {**_TEXT, "pattern": "^urn:uuid:", "description": "The log."},
    "type": _TEXT,
    "subject": {**_ID, "description": "The stream."},
    "time": {**_TIME, "description": "When it was recorded."},
    "partitionkey": {**_ID, "description": "The stream."},
    "sequence": {
        **_TEXT,
        "pattern": f"^[0-9]{{{SEQUENCE_DIGITS}}}$",
        "description": "The version: 1, 2, 3 … within the stream, without gaps.",
    },
    "logposition": {
        **_TEXT,
        "pattern": "^[0-9]+$",
        "description": "Rises through the whole log; gaps are possible.",
    },
    "logepoch": {
        "type": "integer",
        "minimum": 1,
        "description": "A later one begins when the log was restored from a backup: all of it is "
        "sent anew, so forget what came before and pass over what is of an earlier one.",
    },
    "streamtype": _TEXT,
    "occurredat": {**_TIME, "description": "Business time, which orders nothing."},
    "schemaversion": {"type": "integer", "minimum": 1},
    "data": {
        "type": "object",
        "properties": {
            "event": {"type": "object"},
            "metadata": {
                "type": "object",
                "properties": _METADATA,
                "required": sorted(_METADATA),
            },
        },
        "required": ["event", "metadata"],
    },
}


AMQP = {"bindingVersion": "0.3.0"}
KAFKA = {"bindingVersion": "0.5.0"}


def document(mapper: EventMapper, *, topic: str, partitions: int, group: str) -> dict[str, Any]:
    """Every event type in the version that is published, which is today's.

    With the names that exchanges, queues and topics have on a broker under these settings; `group`
    is an example.
    """
    events = sorted(mapper.classes)
    messages = {name: _reference("messages", name) for name in [*events, RESTORED]}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Events",
            "version": "1",
            "description": (
                "Each event of the log as a CloudEvent, at least once, in the order of its "
                "stream. Fields that are marked `x-personal` are absent once they are erased, "
                "and where the publisher omits personal data. Names are those of the settings "
                "`EVENT_BUS_TOPIC` and `EVENT_BUS_PARTITIONS`."
            ),
            "license": {"name": "MIT"},
            "tags": [{"name": "events"}],
        },
        "defaultContentType": MEDIA_TYPE,
        "servers": {
            "rabbitmq": {**_server("amqp", "localhost:5672"), "protocolVersion": "0-9-1"},
            "kafka": _server("kafka", "localhost:9092"),
        },
        "channels": {
            name: {**channel, "messages": messages}
            for name, channel in {
                **_rabbitmq_channels(topic, partitions, group),
                **_kafka_channels(topic, partitions, group),
            }.items()
        },
        "operations": _operations(topic),
        "components": {
            "messages": {
                **{name: _message(name, mapper) for name in events},
                RESTORED: _notice(),
            },
            "schemas": {
                "cloudevent": {
                    "type": "object",
                    "properties": {**_ATTRIBUTES, **_OPTIONAL},
                    "required": sorted(_ATTRIBUTES),
                }
            },
        },
    }


def _reference(*steps: str) -> dict[str, str]:
    return {"$ref": "/".join(("#/components", *steps))}


def _server(protocol: str, default: str) -> dict[str, Any]:
    return {
        "host": "{host}",
        "protocol": protocol,
        "description": f"Where `EVENT_BUS_URL` begins with `{protocol}`.",
        "variables": {
            "host": {"default": default, "description": "As `EVENT_BUS_URL` names it, with a port."}
        },
    }


def _rabbitmq_channels(topic: str, partitions: int, group: str) -> dict[str, Any]:
    partition = {
        "enum": [str(number) for number in range(partitions)],
        "description": f"CRC-32 of the stream's id as text, modulo {partitions}.",
    }
    queue = f"{topic}.{{group}}.{{partition}}-of-{partitions}"
    server = {"servers": [{"$ref": "#/servers/rabbitmq"}]}
    return {
        "exchange": {
            **server,
            "address": "{partition}",
            "description": "Takes every event. The routing key is the stream's partition.",
            "parameters": {"partition": partition},
            "bindings": {
                "amqp": {
                    **AMQP,
                    "is": "routingKey",
                    "exchange": {
                        "name": f"{topic}.of-{partitions}",
                        "type": "direct",
                        "durable": True,
                        "autoDelete": False,
                    },
                }
            },
        },
        "queue": {
            **server,
            "address": queue,
            "description": "Each group of consumers has one for each partition, bound to the "
            "exchange by the partition's number. One consumer receives; others wait to take over.",
            "parameters": {"partition": partition, "group": _group(group)},
            "bindings": {
                "amqp": {
                    **AMQP,
                    "is": "queue",
                    "queue": {
                        "name": queue,
                        "durable": True,
                        "exclusive": False,
                        "autoDelete": False,
                    },
                    "x-arguments": {"x-queue-type": "quorum", "x-single-active-consumer": True},
                    "x-routing-key": "{partition}",
                }
            },
        },
    }


def _kafka_channels(topic: str, partitions: int, group: str) -> dict[str, Any]:
    server = {"servers": [{"$ref": "#/servers/kafka"}]}
    of_group = f"{topic}.{{group}}"
    return {
        "topic": {
            **server,
            "address": topic,
            "description": "Takes every event. The partition is CRC-32 of the key, modulo their "
            "number, as librdkafka's `consistent` partitioner has it.",
            "bindings": {"kafka": {**KAFKA, "topic": topic, "partitions": partitions}},
        },
        "topicOfGroup": {
            **server,
            "address": of_group,
            "description": "Takes what is published once more for one group alone.",
            "parameters": {"group": _group(group)},
            "bindings": {"kafka": {**KAFKA, "topic": of_group, "partitions": partitions}},
        },
    }


def _group(default: str) -> dict[str, Any]:
    return {"default": default, "description": "A system that consumes: `EVENT_BUS_GROUP`."}


def _operations(topic: str) -> dict[str, Any]:
    publish, once_more = "manage.py publish", "manage.py publish --from POSITION --group NAME"
    consume = "manage.py consume"
    sent = {"amqp": {**AMQP, "deliveryMode": 2, "mandatory": True}}
    acknowledged = {"amqp": {**AMQP, "ack": True}}
    group = {
        "type": "string",
        "pattern": f"^{re.escape(topic)}\\.",
        "description": "Topic and group.",
    }
    grouped = {"kafka": {**KAFKA, "groupId": group}}
    return {
        "publishToRabbitMQ": _operation("send", "exchange", publish, sent),
        "publishToGroupOnRabbitMQ": _operation("send", "queue", once_more, sent),
        "consumeFromRabbitMQ": _operation("receive", "queue", consume, acknowledged),
        "publishToKafka": _operation("send", "topic", publish, {}),
        "publishToGroupOnKafka": _operation("send", "topicOfGroup", once_more, {}),
        "consumeFromKafka": _operation("receive", "topic", consume, grouped),
        "consumeOfGroupFromKafka": _operation("receive", "topicOfGroup", consume, grouped),
    }


def _operation(action: str, channel: str, command: str, bindings: dict[str, Any]) -> dict[str, Any]:
    described = {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": f"What `{command}` does.",
    }
    return {**described, "bindings": bindings} if bindings else described


def _described(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "contentType": MEDIA_TYPE,
        "headers": {
            "type": "object",
            "description": "In Kafka. RabbitMQ has the property `content_type` instead.",
            "properties": {"content-type": {"const": MEDIA_TYPE}},
        },
    }


def _notice() -> dict[str, Any]:
    attributes = {name: _ATTRIBUTES[name] for name in ("specversion", "id", "source", "logepoch")}
    return {
        **_described(RESTORED),
        "summary": "No event: the log was restored from a backup, and is sent anew in this epoch. "
        "To every partition.",
        "payload": {
            "type": "object",
            "properties": {**attributes, "type": {"const": RESTORED}},
            "required": sorted([*attributes, "type"]),
        },
    }


def _message(name: str, mapper: EventMapper) -> dict[str, Any]:
    cls = mapper.classes[name]
    said = {
        "type": {"const": name},
        "schemaversion": {"const": cls.schema_version},
        "data": {"properties": {"event": schema_of(cls)}},
    }
    return {
        **_described(name),
        "payload": {"allOf": [_reference("schemas", "cloudevent"), {"properties": said}]},
        "bindings": {
            "kafka": {
                **KAFKA,
                "key": {**_ID, "description": "The stream."},
            },
            "amqp": {
                **AMQP,
                "x-properties": {
                    "content_type": MEDIA_TYPE,
                    "message_id": "$message.payload#/id",
                },
            },
        },
    }
