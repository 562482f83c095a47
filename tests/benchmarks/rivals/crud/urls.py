from django.urls import include, path
from rest_framework.routers import SimpleRouter

from tests.benchmarks.rivals.crud.api import CandidateViewSet

router = SimpleRouter()
router.register("candidates", CandidateViewSet)
urlpatterns = [path("api/v1/", include(router.urls))]
