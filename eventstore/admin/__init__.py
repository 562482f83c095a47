from eventstore.admin.log import StorageEventAdmin as StorageEventAdmin
