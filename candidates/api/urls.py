from django.urls import path
from rest_framework.routers import SimpleRouter

from candidates.api.statistics import StatisticsView
from candidates.api.views import CandidateViewSet
from candidates.api.what_if import WhatIfView

router = SimpleRouter()
router.register("candidates", CandidateViewSet, basename="candidate")
urlpatterns = [
    path("statistics/", StatisticsView.as_view(), name="statistics"),
    path("what-if/", WhatIfView.as_view(), name="what-if"),
    *router.urls,
]
