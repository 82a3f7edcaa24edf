"""Equations of nature: solutions as functions of place, time and what the equation depends on."""
