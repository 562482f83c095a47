"""How the admin writes a time: in the zone of TIME_ZONE, which is named."""

DATE_FORMAT = "j M Y"
DATETIME_FORMAT = "j M Y, H:i T"
