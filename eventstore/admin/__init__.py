from eventstore.admin.log import StorageEventAdmin as StorageEventAdmin
from eventstore.admin.parked import ParkedStreamAdmin as ParkedStreamAdmin
