"""Drills: each breaks one thing under load, has declared bounds, and shows what it found as table, JSON and page."""
