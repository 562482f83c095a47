from typing import Any

from django.apps import AppConfig
from django.contrib.admin import apps as admin
from django.core import checks
from django.db.models.signals import post_migrate


class RecruitmentAdminConfig(admin.AdminConfig):
    default_site = "recruitment.sign_in.RecruitmentSite"
    default = False


class RecruitmentConfig(AppConfig):
    name = "recruitment"
    groups = {"Operators": ["view_apitoken", "add_apitoken", "delete_apitoken"]}

    def ready(self) -> None:
        from recruitment import audit
        from recruitment.checks import check_proxy

        checks.register(check_proxy, checks.Tags.security, deploy=True)
        audit.connect()
        post_migrate.connect(grant_groups)


def grant_groups(sender: AppConfig, using: str, **_: Any) -> None:
    """Give the app's permissions to the groups its config names, and make those groups.

    Nothing that a person granted besides is taken back. Runs behind django.contrib.auth's own
    receiver, which makes the permissions.
    """
    from django.contrib.auth.models import Group, Permission

    groups: dict[str, list[str]] = getattr(sender, "groups", {})
    for name, codenames in groups.items():
        group, _created = Group.objects.using(using).get_or_create(name=name)
        group.permissions.add(
            *Permission.objects.using(using).filter(
                content_type__app_label=sender.label, codename__in=codenames
            )
        )
