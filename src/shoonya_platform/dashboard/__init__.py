"""The web page and its JSON API: reads everything, moves nothing."""
