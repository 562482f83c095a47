"""What people write beside their decisions."""

from collections.abc import Mapping, Sequence

from candidates.domain.events import RejectionReason

MANAGERS = ("Eszter Nagy", "Tunde Bakare", "Ingrid Solheim")
"""On whose behalf a recruiter may act."""

NOTES = (
    "Called back, very keen. Free from the first of next month.",
    "Asked for a part-time contract, four days a week.",
    "Left a message with a colleague; tries again on Thursday.",
    "Strong sample of work, weaker on testing.\nAsk about it in the interview.",
    "Preferred language for interviews: português.",
    "References checked: both say “would hire again”.",
    "Needs a visa; legal says eight weeks.",
    "希望通过视频面试。 (Would like a video interview.)",
    "Interview moved to 14:30, room <Ada>. 🙂",
    "Met at the university fair, knows the product already.",
)
RESCORES = (
    "Second interview went better than the first.",
    "Work sample marked by two engineers.",
    "Certificate handed in later.",
    "Score corrected: the wrong weights were used.",
    "Could not explain the sample they sent.",
)
RETRACTIONS = (
    "Added twice by the import from the fair.",
    "A test of the careers site, not an applicant.",
    "Meant for another company.",
)
REJECTIONS: Mapping[RejectionReason, Sequence[str]] = {
    RejectionReason.NOT_QUALIFIED: (
        "",
        "No experience with the main language of the team.",
        "Fewer than two years in a similar role.",
    ),
    RejectionReason.POSITION_FILLED: ("", "Signed with another candidate on Monday."),
    RejectionReason.WITHDREW: (
        "Took an offer elsewhere.",
        "Does not want to move after all.",
        "",
    ),
    RejectionReason.NO_RESPONSE: ("", "Three calls and two mails without an answer."),
    RejectionReason.DUPLICATE: ("Applied for this role through an agency as well.",),
    RejectionReason.OTHER: (
        "Salary expectation far above the band.",
        "Team decided to grow in another place.",
    ),
}
