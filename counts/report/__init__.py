"""The report: one self-contained page that says what was counted, how, and how sure one can be."""

from counts.report.page import write_report

__all__ = ["write_report"]
