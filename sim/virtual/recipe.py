"""What a virtual survey supposes: which animals live where, how well they are found, how many frames are checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sim.behaviour import PLAIN, Behaviour
from sim.species import KNOWN, Species


@dataclass(frozen=True)
class Inhabitants:
    """One species of the world.

    `density_per_km2` is that of animals, `availability` the share of them that can be seen from above: each by stratum,
    and under an empty name of those not named. Herds hold 1 + a negative binomial number of animals (mean
    `herd_mean` − 1, shape `herd_shape`), `herd_spacing_m` apart. `cluster_herds` is the mean number of herds in a
    cluster, which lie around its middle with a standard deviation of `cluster_radius_m`; at 1 herds lie independently.
    `cover_preference` is as in `sim.species`. `speed_mps` are the slowest and fastest walk of the share of herds that
    move. `recall` (of animals that no border cuts off) and `precision` are the detector's here, `stated_recall` and
    `stated_precision` what its card says, measured in another world; None is the same. The survey is told the
    availability with a standard error of `availability_se`, and what it is told is off by as much. `body` names the
    shape that pictures show, `behaviour` is what animals do in them by the hour; surveys without pictures have it in
    `availability`.
    """

    name: str
    density_per_km2: Mapping[str, float]
    herd_mean: float = 4.0
    herd_shape: float = 1.6
    herd_spacing_m: float = 5.0
    cluster_herds: float = 1.0
    cluster_radius_m: float = 400.0
    cover_preference: float = 1.0
    moving_share: float = 0.0
    speed_mps: tuple[float, float] = (0.4, 1.2)
    availability: Mapping[str, float] = field(default_factory=dict)
    availability_se: float = 0.0
    recall: float = 0.85
    precision: float = 0.85
    stated_recall: float | None = None
    stated_precision: float | None = None
    body: str | None = None
    behaviour: Behaviour | None = None

    def density_in(self, stratum: str) -> float:
        """Animals a square kilometre in a stratum."""
        return self.density_per_km2.get(stratum, self.density_per_km2.get("", 0.0))

    def available_in(self, stratum: str) -> float:
        """The share of animals of a stratum that can be seen from above."""
        return self.availability.get(stratum, self.availability.get("", 1.0))

    def species(self) -> Species:
        """The species as the simulator draws it; a species without a body of its own borrows the zebra's."""
        bodies = {kind.name: kind for kind in KNOWN}
        drawn = bodies.get(self.body or self.name, bodies["zebra"])
        return replace(
            drawn,
            name=self.name,
            herd_mean=self.herd_mean,
            herd_shape=self.herd_shape,
            spacing_m=self.herd_spacing_m,
            cover_preference=self.cover_preference,
            moving_share=self.moving_share,
            speed_mps=self.speed_mps,
            behaviour=(drawn.behaviour if self.has_body else PLAIN) if self.behaviour is None else self.behaviour,
        )

    @property
    def has_body(self) -> bool:
        """Whether pictures of it can be drawn."""
        return (self.body or self.name) in {kind.name for kind in KNOWN}


@dataclass(frozen=True)
class DetectorErrors:
    """How a detector's errors go together, for all species.

    Whether an animal is found is a probit with the species' recall on average and normal effects: of its herd (all in
    the shade), of its frame (glare, blur), and of the animal itself, the same in every frame that shows it. The spreads
    are standard deviations on the probit scale; that of animals is what the shipped detector has in pictures
    (docs/simulate.md). False alarms are Poisson in each frame, log-normal between frames with
    `alarm_frame_spread`; the share `alarms_lasting` of them (a rock) is taken for an animal in the next frame too.
    """

    herd_spread: float = 0.0
    frame_spread: float = 0.0
    animal_spread: float = 1.4
    alarm_frame_spread: float = 0.0
    alarms_lasting: float = 0.5


@dataclass(frozen=True)
class Placing:
    """How far off positions are, standard deviations an axis: one error of a whole sortie, of a frame, of a box."""

    common_m: float = 0.9
    frame_m: float = 0.8
    box_m: float = 0.3


@dataclass(frozen=True)
class Counting:
    """How it is counted: frames checked with and without detections, and the walk that hardly an animal exceeds."""

    verify_positive: int = 80
    verify_zero: int = 60
    speed_limit_mps: float = 1.5


@dataclass(frozen=True)
class WorldRecipe:
    """A world to survey again and again: its animals are drawn anew each time, what it says of them holds."""

    species: tuple[Inhabitants, ...]
    detector: DetectorErrors = field(default_factory=DetectorErrors)
    placing: Placing = field(default_factory=Placing)
    counting: Counting = field(default_factory=Counting)
    lost_frames: float = 0.0
