"""The README's table of settings, made from the settings themselves; `python -m tests.support.settings_table`."""

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from command_service.fulfillment.settings import FulfillmentSettings
from command_service.relay.settings import RelaySettings
from command_service.settings import CommandSettings
from projector.settings import ProjectorSettings
from query_service.settings import QuerySettings
from service_kit.settings import ProcessSettings

_PROCESSES: dict[str, type[ProcessSettings]] = {
    "command": CommandSettings,
    "relay": RelaySettings,
    "fulfillment": FulfillmentSettings,
    "projector": ProjectorSettings,
    "query": QuerySettings,
}


def settings_table() -> str:
    """A row for each setting: which processes read it, its default in each, what it is."""
    rows = ["| setting | read by | default | what it is |", "|---|---|---|---|"]
    names = dict.fromkeys(name for settings in _PROCESSES.values() for name in settings.model_fields)
    for name in names:
        readers = {
            process: settings.model_fields[name]
            for process, settings in _PROCESSES.items()
            if name in settings.model_fields
        }
        read_by = "all" if len(readers) == len(_PROCESSES) else ", ".join(readers)
        defaults = dict.fromkeys(_default(field) for field in readers.values())
        description = next(iter(readers.values())).description
        rows.append(f"| `{name.upper()}` | {read_by} | {', '.join(defaults)} | {description} |")
    return "\n".join(rows)


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "(must be set)"
    return "-" if field.default in (None, "") else f"`{field.default}`"


if __name__ == "__main__":
    print(settings_table())  # noqa: T201
