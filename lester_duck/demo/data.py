"""Made-up data of a bank's complaints desk: ``customers.csv`` and ``mails.csv``, without header.

Everything is drawn from one seeded generator: the same arguments give the same bytes. About every
hundredth negative letter from the Netherlands has a card-like number of 16 digits in its subject.
The numbers fail the Luhn check on purpose, so none of them can be a card.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

CUSTOMERS = "customers.csv"
MAILS = "mails.csv"
LETTERS_PER_CUSTOMER = 10
LEAK_EVERY = 100

_SYLLABLES = ("ba", "do", "fen", "gri", "ka", "lor", "mi", "ne", "pol", "ru", "sa", "tin", "vo", "wes", "zu")
_BANKS = ("Harbour Savings", "Meadow Mutual", "Old Mill Bank", "Tramline Credit")
_COUNTRIES = ("NL", "BE", "DE", "AT", "DK", "IE")
_COUNTRY_WEIGHTS = (5, 3, 4, 2, 1, 1)
_FIRST_DAY = datetime(2021, 1, 1)
_MINUTES = 4 * 365 * 24 * 60

_TOPICS = (
    ("Monthly statement", "the monthly statement of my account"),
    ("Transfer abroad", "a transfer to my sister abroad"),
    ("Standing order", "the standing order for the rent"),
    ("New card", "the new card for my account"),
    ("Opening hours", "the opening hours of the branch"),
    ("Mortgage offer", "your offer for a mortgage"),
    ("Refund request", "the refund of a double charge"),
    ("Charge on holiday", "a charge during my holiday"),
)
_SAID = {
    "negative": (
        "The answer I got was useless and the clerk was impolite.",
        "I have waited for weeks and I am furious.",
        "This is a disgrace and everything about it is wrong!",
        "Your hotline hung up twice and the service is awful.",
    ),
    "neutral": (
        "Please tell me which form is the right one.",
        "I would like to know the current state.",
        "Kindly send me a copy by post.",
    ),
    "positive": (
        "Your colleague was kind and it was solved at once.",
        "I am pleased with how quick this went and say thanks.",
        "What a splendid service and thanks a lot!",
    ),
}
_MOODS = ("negative", "neutral", "positive")
_MOOD_WEIGHTS = (4, 4, 3)
_REQUESTS = (
    "Please treat this as a complaint.",
    "I ask for a refund.",
    "It concerns my savings account.",
    "You may call me in the evening.",
    "A short reply is enough.",
)
_GREETINGS = ("Dear team", "Good morning", "Hello", "To whom it may concern")


@dataclass(frozen=True, slots=True)
class Customer:
    """One row of ``customers.csv``."""

    customer_id: int
    email: str
    bank: str
    country: str
    level: str

    def line(self) -> str:
        """The row as the file holds it."""
        return f"{self.customer_id},{self.email},{self.bank},{self.country},{self.level}\n"


def write(folder: Path, customers: int = 1_000, seed: int = 0) -> tuple[Path, Path]:
    """Write both files for that many customers into ``folder``; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(seed)
    people = list(_customers(draw, customers))
    paths = folder / CUSTOMERS, folder / MAILS
    paths[0].write_text("".join(person.line() for person in people), encoding="utf-8")
    paths[1].write_text("".join(_letters(draw, people)), encoding="utf-8")
    return paths


def _customers(draw: random.Random, count: int) -> Iterator[Customer]:
    email = ""
    for place in range(count):
        # a customer in two hundred opened a second contract under the same address: the later one counts
        if not email or draw.random() >= 0.005:
            email = f"{_word(draw, 2)}.{_word(draw, 3)}{place}@example.org"
        country = draw.choices(_COUNTRIES, _COUNTRY_WEIGHTS)[0]
        level = draw.choices(("basic", "premium"), (3, 2))[0]
        yield Customer(20_000 + place, email, draw.choice(_BANKS), country, level)


def _letters(draw: random.Random, people: list[Customer]) -> Iterator[str]:
    country_of = {person.email: person.country for person in people}
    negative_dutch = 0
    for place in range(len(people) * LETTERS_PER_CUSTOMER):
        email = draw.choice(people).email
        if draw.random() < 0.03:
            email = f"{_word(draw, 3)}@example.net"
        mood = draw.choices(_MOODS, _MOOD_WEIGHTS)[0]
        subject, about = draw.choice(_TOPICS)
        text = (
            f"{draw.choice(_GREETINGS)}. This is about {about}. {draw.choice(_SAID[mood])} {draw.choice(_REQUESTS)}"
        )
        if mood == "negative" and country_of.get(email) == "NL":
            negative_dutch += 1
            if negative_dutch % LEAK_EVERY == 1:
                subject = f"{subject} card {card_number(draw)}"
        sent = _FIRST_DAY + timedelta(minutes=draw.randrange(_MINUTES))
        yield f"{500_000 + place},{email},{sent:%d/%m/%Y %H:%M},{subject},{text}\n"


def _word(draw: random.Random, syllables: int) -> str:
    return "".join(draw.choices(_SYLLABLES, k=syllables))


def card_number(draw: random.Random) -> str:
    """Sixteen digits that look like a card number and fail its check sum.

    >>> passes_luhn(card_number(random.Random(1)))
    False
    """
    body = "4" + "".join(draw.choices("0123456789", k=14))
    wrong = [digit for digit in "0123456789" if not passes_luhn(body + digit)]
    return body + draw.choice(wrong)


def passes_luhn(digits: str) -> bool:
    """Whether digits pass the check of card numbers (every second digit from the right doubled).

    >>> passes_luhn("4111111111111111"), passes_luhn("4111111111111112")
    (True, False)
    """
    doubled = "0246813579"
    values = [int(doubled[int(d)]) if place % 2 else int(d) for place, d in enumerate(reversed(digits))]
    return sum(values) % 10 == 0
