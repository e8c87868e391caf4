"""Estimators: from counts in sampled units to a number of animals with its limits, one module per family."""

from counts.estimators.encounter_rate import EncounterVariance, encounter_rate_variance
from counts.estimators.estimate import Component, Estimate, estimate, no_estimate, total
from counts.estimators.jolly import RatioVariance, jolly1, jolly2, jolly3, total_count
from counts.estimators.limits import LimitForm, limits, satterthwaite, t_quantile, wilson_interval

__all__ = [
    "Component",
    "EncounterVariance",
    "Estimate",
    "LimitForm",
    "RatioVariance",
    "encounter_rate_variance",
    "estimate",
    "jolly1",
    "jolly2",
    "jolly3",
    "limits",
    "no_estimate",
    "satterthwaite",
    "t_quantile",
    "total",
    "total_count",
    "wilson_interval",
]
