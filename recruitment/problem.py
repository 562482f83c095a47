"""The shape of every error, as OpenAPI describes it. Imported by the settings: no Django here."""

PROBLEM = {
    "type": "object",
    "description": "RFC 9457. Branch on `code`, which is stable. Further members hold the values "
    "that a rule compared.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail", "code"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "JSON Pointer to the value, or to the name of a header or "
                        "parameter",
                    },
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                },
            },
        },
    },
}
