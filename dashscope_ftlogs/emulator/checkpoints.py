"""The checkpoints of a job, as the vendor's page on the object describes them."""

from datetime import datetime, timedelta

import attrs

from dashscope_ftlogs.emulator.argument_ranges import an_epoch

_KEPT_FOR = timedelta(days=15)


@attrs.frozen
class EmulatedCheckpoint:
    """What a job saved of a model that is trained in two parts, LM and FM, each in epochs of its own.

    >>> EmulatedCheckpoint(4, 12).name
    'checkpoint-00040012'

    Attributes:
        lm_epoch: from 0 to 9999, as is the next.
        fm_epoch: with the other it makes the name, and what the service calls `step`.
        status: SUCCEEDED once it can be deployed, PENDING before.
        create_time: ISO 8601, without a zone. It expires 15 days later.

    Raises:
        ValueError: an epoch is out of its range, or `create_time` has another form.
    """

    lm_epoch: int = attrs.field(validator=an_epoch)
    fm_epoch: int = attrs.field(validator=an_epoch)
    status: str = attrs.field(default="SUCCEEDED", kw_only=True)
    create_time: str = attrs.field(default="2026-05-27T18:07:16", kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the time."""
        datetime.fromisoformat(self.create_time)

    @property
    def name(self) -> str:
        """What it is called within its job."""
        return f"checkpoint-{self.lm_epoch:04}{self.fm_epoch:04}"

    def facts(self, job_id: str, job_name: str, model: str) -> dict[str, object]:
        """The object that the service sends: absent fields are left out."""
        facts: dict[str, object] = {
            "create_time": self.create_time,
            "full_name": f"{job_id}:{self.name}",
            "job_id": job_id,
            "checkpoint_id": f"{job_id}:{self.name}",
            "checkpoint": self.name,
            "status": self.status,
            "expire_time": (datetime.fromisoformat(self.create_time) + _KEPT_FOR).isoformat(),
            "step": 10_000 * self.lm_epoch + self.fm_epoch,
        }
        if self.status == "SUCCEEDED":
            facts |= {"model_name": f"{model}-{job_id}", "model_display_name": job_name}
        return facts
