//! Image references: `[host[:port]/]path[:tag][@digest]`, with docker's short forms.
