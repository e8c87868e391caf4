"""The review page: a detector proposes, people decide; one server for a camp's laptops (extra `web`)."""

from counts.review.app import create_app
from counts.review.settings import ReviewSettings

__all__ = ["ReviewSettings", "create_app"]
