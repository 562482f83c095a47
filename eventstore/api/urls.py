from django.urls import path

from eventstore.api.views import EventFeed

urlpatterns = [path("events/", EventFeed.as_view(), name="events")]
