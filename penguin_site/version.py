"""The version of this installation: in health, the API's description and the banner."""

VERSION = "1.0.0"
