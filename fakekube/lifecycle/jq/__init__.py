"""The part of jq that stage files need: `parsing` makes filters of texts, of what `filters` and `functions` have."""
