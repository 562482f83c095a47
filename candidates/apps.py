from django.apps import AppConfig


class CandidatesConfig(AppConfig):
    name = "candidates"
    groups = {
        "Recruiters": ["view_candidateprojection", "add_candidate", "decide", "edit"],
        "Viewers": ["view_candidateprojection"],
        "Operators": ["view_candidateprojection", "backdate", "act_on_behalf"],
    }

    def ready(self) -> None:
        from candidates import wiring

        wiring.register()
