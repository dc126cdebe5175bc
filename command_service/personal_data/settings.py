"""What processes that seal and open personal data can be told."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from command_service.personal_data.master_keys import MasterKeys, master_key_of
from service_kit.settings import PostgresUrl, ProcessSettings


def _master_key(value: SecretStr) -> SecretStr:
    master_key_of(value.get_secret_value())
    return value


def _master_keys(value: SecretStr | None) -> SecretStr | None:
    for each in _parts(value):
        master_key_of(each)
    return value


class PersonalDataSettings(ProcessSettings):
    """The master keys, and where the keys are."""

    write_db_url: PostgresUrl = Field(description="PostgreSQL primary, as the services' login.")
    personal_data_master_key: Annotated[SecretStr, AfterValidator(_master_key)] = Field(
        description="Wraps the keys that personal data is sealed with: 32 random bytes in base64. "
        "Lost, all personal data is lost; docs/personal-data.md."
    )
    personal_data_former_master_keys: Annotated[SecretStr | None, AfterValidator(_master_keys)] = Field(
        default=None, description="Master keys of before, comma-separated, until all keys are rewrapped."
    )

    @property
    def master_keys(self) -> MasterKeys:
        """Those that are set."""
        current = master_key_of(self.personal_data_master_key.get_secret_value())
        return MasterKeys(current, [master_key_of(each) for each in _parts(self.personal_data_former_master_keys)])


def _parts(value: SecretStr | None) -> list[str]:
    return [each for each in value.get_secret_value().split(",") if each.strip()] if value else []
