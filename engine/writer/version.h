/* The software's version, as claims, status and --version say it. */
#ifndef LEDGERLINE_VERSION_H
#define LEDGERLINE_VERSION_H

#define LEDGERLINE_VERSION "0.1.0"

#endif
