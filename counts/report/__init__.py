"""The report: what was counted, how, and how sure one can be, as a page, as a PDF, and with its data beside it."""

from counts.report.page import ReportRequest, write_report, write_reports
from counts.report.signs import read_signs_asked
from counts.report.words import LOCALES

__all__ = ["LOCALES", "ReportRequest", "read_signs_asked", "write_report", "write_reports"]
