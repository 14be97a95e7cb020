"""Loaded once by the process that those of the jobs are forked from: each of them would otherwise work it out anew."""

from sqlalchemy.orm import configure_mappers

import abkit.store.schema  # noqa: F401  # what is configured

configure_mappers()
