"""Invents applicants.

Mail goes to domains reserved for examples, calls to numbers that regulators keep for fiction.
"""

import re
from random import Random
from typing import Any

from candidates.application.letters import folded_address
from recruitment.demo.names import name_of

TEAM = ("recruiter", "amina.diallo", "jonas.berg", "mei.tanaka", "sofia.rossi")
SOURCES = ("careers_site", "job_board", "referral", "agency", "university", "event")

_PLACES = (
    ("London", ("+44 20 7946 0###", "020 7946 0###", "(020) 7946-0###", "+44 (0)7700 900###")),
    ("Dublin", ("+353 20 91# ####", "020 91# ####")),
    ("Berlin", ("+49 30 23125 ###", "030/23125-###", "0049 (0) 30 23125###")),
    ("Köln", ("+49 221 4710 ###", "0221 / 4710###")),
    ("München", ("+49 (89) 99998-###", "089.99998.###")),
    ("Paris", ("+33 1 99 00 ## ##", "01.99.00.##.##", "0199 00####")),
    ("Stockholm", ("+46 8 465 004 ##", "08-465 004 ##")),
    ("Montréal", ("+1-514-555-01##", "(514) 555-01##", "514.555.01## ext. 7")),
    ("New York, NY", ("+1 212 555 01##", "1-212-555-01##", "212 555 01##")),
    ("Sydney", ("+61 2 5550 ####", "(02) 5550 ####", "٠٢ ٥٥٥٠ ١٢٣٤")),
    ("Remote", ("+1 (415) 555-01##", "tel:+1-415-555-01##")),
)
_POSITIONS = {
    "Backend engineer": ("python", "postgresql", "django", "go", "kafka"),
    "Frontend engineer": ("typescript", "react", "css", "accessibility"),
    "Data analyst": ("sql", "r", "dashboards", "statistics"),
    "Site reliability engineer": ("linux", "kubernetes", "on-call", "terraform"),
    "Product designer": ("figma", "user research", "prototyping"),
    "Product manager": ("roadmaps", "b2b", "discovery"),
    "Support specialist": ("first line", "night shift", "français", "日本語"),
    "Account executive": ("b2b", "crm", "negotiation"),
    "Payroll accountant": ("ifrs", "excel", "audit"),
    "Technical writer": ("docs as code", "english", "api"),
}


def applicant(rng: Random, number: int) -> dict[str, Any]:
    """A profile as it might arrive: some are full, some leave much out."""
    name, given, family = name_of(rng, number)
    location, phones = rng.choice(_PLACES)
    position = rng.choice(list(_POSITIONS))
    profile: dict[str, Any] = {"position": position, "source": rng.choice(SOURCES)}
    profile |= {"name": name} if name else {"first_name": given[0], "last_name": family[0]}
    if rng.random() < 0.95:
        profile["email"] = _email(rng, given[1], family[1])
    if rng.random() < 0.8:
        profile["phone"] = _phone(rng, rng.choice(phones))
    if rng.random() < 0.9:
        profile["location"] = location
    if rng.random() < 0.7:
        profile["tags"] = rng.sample(_POSITIONS[position], k=rng.randint(1, 3))
    if rng.random() < 0.85:
        profile["owner"] = rng.choice(TEAM)
    if profile["source"] in ("job_board", "agency"):
        profile["external_id"] = f"{profile['source'][:3].upper()}-{10_000 + 37 * number}"
    if rng.random() < 0.4:
        profile["resume_url"] = f"https://example.org/resumes/{number + 1:04}.pdf"
    if rng.random() < 0.2:
        profile["notice_period"] = {"months": rng.choice([1, 2, 3, 6]), "negotiable": True}
    return profile


def moved(rng: Random, profile: dict[str, Any]) -> dict[str, Any]:
    """The profile of somebody who moved house."""
    location, phones = rng.choice([p for p in _PLACES if p[0] != profile.get("location")])
    return profile | {"location": location, "phone": _phone(rng, rng.choice(phones))}


def _email(rng: Random, given: str, family: str) -> str:
    first, last = (re.sub(r"[^a-z0-9'.-]", "", folded_address(part)) for part in (given, family))
    local = rng.choice(
        [
            f"{first}.{last}",
            f"{first[:1]}{last or first}",
            f"{last}_{first}",
            f"{first}+jobs.{last}",
        ]
    ).strip("._")
    year = rng.choice(["", str(rng.randint(70, 99)), str(rng.randint(1, 999))])
    domain = rng.choice(
        ["example.org", "example.com", "example.net", "mail.example", "Example.ORG"]
    )
    return f"{local}{year}@{domain}"


def _phone(rng: Random, pattern: str) -> str:
    return re.sub("#", lambda _: str(rng.randint(0, 9)), pattern)
