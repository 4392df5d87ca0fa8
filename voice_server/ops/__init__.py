"""Logging and what else the operator watches."""
