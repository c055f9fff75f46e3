"""How a trial is conducted: who enters, what each gets and when, what is seen, who leaves."""

from __future__ import annotations
