"""`python -m command_service.personal_data rotate`: rewraps all keys by PERSONAL_DATA_MASTER_KEY."""

import argparse

from command_service.personal_data.master_key_agreement import agree_on_master_keys
from command_service.personal_data.rotation import in_use, rewrap
from command_service.personal_data.settings import PersonalDataSettings
from service_kit import fail_points
from service_kit.settings import load

if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m command_service.personal_data", description=__doc__)
    parser.add_argument("command", choices=["rotate"])
    parser.parse_args()
    settings = load(PersonalDataSettings)
    fail_points.arm(settings.fail_point)
    master_keys, url = settings.master_keys, settings.write_db_url
    agree_on_master_keys(url, master_keys)
    count = rewrap(url, master_keys)
    left = in_use(url)
    print(f"{count} keys rewrapped by the master key {master_keys.id}; in use now: {', '.join(left)}")  # noqa: T201
