//! The pages of the built-in website.

/// A page: path, title, and paragraphs.
pub(super) struct SitePage {
    pub(super) path: &'static str,
    pub(super) title: &'static str,
    pub(super) sections: &'static [(&'static str, &'static str)],
}

/// What the website documents: a small tool called `ferry`.
pub(super) const PAGES: &[SitePage] = &[
    SitePage {
        path: "/",
        title: "Ferry",
        sections: &[
            (
                "What it is",
                "Ferry copies folders between machines. It sends only what has changed, and it goes on \
                 where it was interrupted.",
            ),
            (
                "Where to start",
                "Read how to install it, then copy your first folder. Errors and their remedies are \
                 listed on a page of their own.",
            ),
        ],
    },
    SitePage {
        path: "/guide/install",
        title: "Installing Ferry",
        sections: &[
            (
                "From a package",
                "Packages exist for Debian and Fedora. Install the package ferry and check the version \
                 with ferry --version.",
            ),
            (
                "From source",
                "Clone the repository and run make install. A C compiler and the zstd library are \
                 needed.",
            ),
        ],
    },
    SitePage {
        path: "/guide/copy",
        title: "Copying a folder",
        sections: &[
            (
                "The first copy",
                "Run ferry copy with the folder and the name of the other machine. The first copy sends \
                 every file; later ones send differences.",
            ),
            (
                "Interruptions",
                "A copy that was interrupted goes on with the same command. Files that are complete are \
                 not sent again.",
            ),
        ],
    },
    SitePage {
        path: "/guide/limits",
        title: "Limits",
        sections: &[
            (
                "Bandwidth",
                "The option --rate limits the bandwidth in kilobytes a second. The limit holds for all \
                 connections of a copy together.",
            ),
            (
                "Memory",
                "Ferry keeps a list of all files of a folder in memory, about two hundred bytes for each.",
            ),
        ],
    },
    SitePage {
        path: "/guide/errors",
        title: "Errors and remedies",
        sections: &[
            (
                "Permission denied",
                "The other machine does not let the user write to the folder. Choose another user with \
                 --as, or change the permissions.",
            ),
            (
                "Checksum mismatch",
                "A file changed while it was read. Ferry reads it again, three times at most.",
            ),
        ],
    },
];

impl SitePage {
    pub(super) fn html(&self) -> String {
        let mut html = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title></head>\
             <body><nav><a href=\"/\">Home</a></nav><main><h1>{0}</h1>",
            self.title
        );
        for (heading, text) in self.sections {
            html.push_str("<h2>");
            html.push_str(heading);
            html.push_str("</h2><p>");
            html.push_str(text);
            html.push_str("</p>");
        }
        html.push_str("</main></body></html>");
        html
    }

    pub(super) fn markdown(&self) -> String {
        let mut markdown = format!("# {}\n", self.title);
        for (heading, text) in self.sections {
            markdown.push_str("\n## ");
            markdown.push_str(heading);
            markdown.push_str("\n\n");
            markdown.push_str(text);
            markdown.push('\n');
        }
        markdown
    }

    /// How many words of a search it holds.
    pub(super) fn score(&self, words: &[String]) -> usize {
        let text = self.markdown().to_lowercase();
        words
            .iter()
            .filter(|word| text.contains(word.as_str()))
            .count()
    }

    /// What a search engine shows of it.
    pub(super) fn snippet(&self) -> &'static str {
        self.sections.first().map_or("", |(_, text)| *text)
    }
}
