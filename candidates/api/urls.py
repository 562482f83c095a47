from django.urls import path
from rest_framework.routers import SimpleRouter

from candidates.api.batch import BatchView
from candidates.api.statistics import StatisticsView
from candidates.api.views import CandidateViewSet
from candidates.api.what_if import WhatIfView

router = SimpleRouter()
router.register("candidates", CandidateViewSet, basename="candidate")
urlpatterns = [
    # Before the router's, which would take the word for an id.
    path("candidates/commands/", BatchView.as_view(), name="candidate-commands"),
    path("statistics/", StatisticsView.as_view(), name="statistics"),
    path("what-if/", WhatIfView.as_view(), name="what-if"),
    *router.urls,
]
