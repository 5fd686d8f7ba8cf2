from dashboard.cli.app import main

main()
