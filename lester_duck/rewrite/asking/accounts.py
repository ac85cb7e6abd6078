"""What questions have cost, and whether the next one may be asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lester_duck.rewrite.asking.question import BudgetSpent, Message
from lester_duck.rewrite.asking.settings import Budget, Endpoint

CHARACTERS_PER_TOKEN = 3
"""Source code and SQL have 3 to 4; the smaller figure over-estimates the tokens."""
_HINT = "repeat the command with --resume and a higher {option}: what was answered is kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Tokens and their cost (None: prices are not known); ``estimated`` when some were not told by the endpoint."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    estimated: bool = False

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.prompt_tokens + self.completion_tokens

    def plus(self, other: Spent) -> Spent:
        """Both together.

        >>> Spent(prompt_tokens=1, cost=0.5).plus(Spent(completion_tokens=2, cost=0.25)).cost
        0.75
        """
        costs = [cost for cost in (self.cost, other.cost) if cost is not None]
        return Spent(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cost=sum(costs) if costs else None,
            estimated=self.estimated or other.estimated,
        )


def estimate(characters: int) -> int:
    """The tokens of a text, rather too many than too few.

    >>> estimate(10), estimate(0)
    (4, 0)
    """
    return math.ceil(characters / CHARACTERS_PER_TOKEN)


def characters(messages: Sequence[Message]) -> int:
    """How long messages are."""
    return sum(len(message["content"]) for message in messages)


class Accounts:
    """What has been spent, against a budget; ``spent`` is what an earlier run of the same work had spent."""

    def __init__(self, endpoint: Endpoint, budget: Budget, spent: Sequence[Spent] = ()) -> None:
        self._endpoint = endpoint
        self._budget = budget
        self.spent = Spent(cost=endpoint.cost(0, 0))
        for part in spent:
            self.add(part)

    def add(self, part: Spent) -> Spent:
        """Count tokens, at today's prices where their cost is not known; returns them with their cost."""
        cost = self._endpoint.cost(part.prompt_tokens, part.completion_tokens) if part.cost is None else part.cost
        priced = Spent(prompt_tokens=part.prompt_tokens, completion_tokens=part.completion_tokens, cost=cost,
                       estimated=part.estimated)  # fmt: skip
        self.spent = self.spent.plus(priced)
        return priced

    def allow(self, messages: Sequence[Message], answer_tokens: int | None) -> None:
        """Raise BudgetSpent when a question, with the longest answer asked for, would go beyond the budget."""
        prompt, answer = estimate(characters(messages)), answer_tokens or 0
        needed = Spent(prompt_tokens=prompt, completion_tokens=answer, cost=self._endpoint.cost(prompt, answer))
        self._check(self.spent.plus(needed), f"the next question may take {prompt + answer:,} tokens; ")

    def check(self) -> None:
        """Raise BudgetSpent when what was spent is beyond the budget."""
        self._check(self.spent, "")

    def _check(self, reached: Spent, why: str) -> None:
        limit = self._budget.max_tokens
        about = "about " if self.spent.estimated else ""
        if limit is not None and reached.tokens > limit:
            raise BudgetSpent(
                f"{why}{about}{self.spent.tokens:,} of {limit:,} tokens are spent",
                hint=_HINT.format(option="--max-tokens"),
            )
        most = self._budget.max_cost
        if most is not None and (reached.cost or 0.0) > most:
            raise BudgetSpent(
                f"{why}{about}{self.spent.cost or 0.0:.4g} of {most:g} (the limit of cost) are spent",
                hint=_HINT.format(option="--max-cost"),
            )
